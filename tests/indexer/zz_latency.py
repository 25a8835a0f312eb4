import time
from tests.indexer.test_real_chain import *
def test_lat(site, engine):
    f=Follower(engine, site.reader, network=NETWORK, deployment=site.record); f.start(); catch_up(f)
    ts=[];idle=[]
    for n in range(60):
        site.emit(payment_created(site.treasury, bytes([n])*32)); t=time.perf_counter(); f.step(); ts.append(time.perf_counter()-t)
        t=time.perf_counter(); f.step(); idle.append(time.perf_counter()-t)
    ts.sort(); idle.sort(); print("STEP p50 %.1f p95 %.1f ms idle %.1f"%(ts[30]*1e3,ts[57]*1e3,idle[30]*1e3))
    site.mine(3000); t=time.perf_counter(); catch_up(f); print("3000 blocks", time.perf_counter()-t)
