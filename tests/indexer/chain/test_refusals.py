"""What nodes and providers really answer, word for word, and what each answer means."""

import pytest

from indexer.chain.refusals import (
    BatchRefused,
    BeyondHead,
    OtherRefusal,
    PrunedHistory,
    RateLimited,
    Refusal,
    TooWide,
    classify,
    refuses_batches,
)

ALCHEMY = (
    "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range and "
    "no limit on the response size, or you can request any block range with a cap of 10K logs in "
    "the response. Based on your parameters and the response size limit, this block range should "
    "work: [0x0, 0x133f2]"
)
WIDE: list[tuple[int, str, TooWide]] = [
    (-32602, ALCHEMY, TooWide((0, 0x133F2), None, 10_000)),
    (
        -32600,
        (
            "You can make eth_getLogs requests with up to a 500 block range. Based on your "
            "parameters, this block range should work: [0x123c9b2, 0x123cba5]"
        ),
        TooWide((0x123C9B2, 0x123CBA5), 500, None),
    ),
    (
        -32005,
        "query returned more than 10000 results. Try with this block range [0x12f3A, 0x12F4B].",
        TooWide((0x12F3A, 0x12F4B), None, 10_000),
    ),
    (-32000, "block range too large (2500), maximum allowed is 2000 blocks", TooWide(None, 2000)),
    (-32005, "query returned more than 1000 results", TooWide(None, None, 1000)),
    (-32602, "range 1000000 exceeds limit of 10000", TooWide(None, 10_000)),
    (-32614, "eth_getLogs is limited to a 10,000 range", TooWide(None, 10_000)),
    (-32600, "eth_getLogs is limited to a 5 range", TooWide(None, 5)),
    (-32602, "query exceeds max block range 5000", TooWide(None, 5000)),
    (
        -32602,
        "query exceeds max results 20000, retry with the range 25766988-25775072",
        TooWide((25_766_988, 25_775_072), None, 20_000),
    ),
    (-32000, "exceed maximum block range: 5000", TooWide(None, 5000)),
    (-32000, "exceed max addresses or block range", TooWide()),
    (-32600, "block range is too wide", TooWide()),
    (-32000, "block range is too wide (maximum 1024)", TooWide(None, 1024)),
    (-32600, "block range too high", TooWide()),
    (-32000, "block range is bigger than maxBlockRange", TooWide()),
    (
        -32000,
        "block range is larger than max block range, block range = 5120, max block range = 5000",
        TooWide(None, 5000),
    ),
    (-32005, "block range too large, max range: 10000", TooWide(None, 10_000)),
    (-32001, "Block range too large: maximum allowed is 20000 blocks", TooWide(None, 20_000)),
    (-32701, "Please limit the query to at most 1000 blocks", TooWide(None, 1000)),
    (35, "ranges over 10000 blocks are not supported on freetier", TooWide(None, 10_000)),
    (-32602, "eth_getLogs range is too large, max is 1k blocks", TooWide(None, 1000)),
    (-32000, "Block range limit exceeded. See more details at https://x.y/z#limits", TooWide()),
    (-32002, "query timeout exceeded", TooWide()),
    (-32000, "context deadline exceeded", TooWide()),
    (-32008, "Response is too big", TooWide()),
    (-32005, "limit exceeded", TooWide()),
    (-32000, "invalid block range: limit is 0 - 100000 blocks", TooWide(None, 100_000)),
]


@pytest.mark.parametrize(("code", "message", "meaning"), WIDE, ids=lambda value: str(value)[:40])
def test_classify_reads_what_the_node_accepts_when_a_range_is_too_wide(
    code: int, message: str, meaning: TooWide
) -> None:
    assert classify(code, message) == meaning


OTHERS: list[tuple[int, str, Refusal]] = [
    (
        429,
        (
            "Your app has exceeded its compute units per second capacity. If you have retries "
            "enabled, you can safely ignore this message."
        ),
        RateLimited(),
    ),
    (-32005, "exceeded project rate limit", RateLimited()),
    (-32007, "50/second request limit reached - reduce calls per second", RateLimited()),
    (-32012, "credits limited to 6000/sec", RateLimited()),
    (-32016, "over rate limit", RateLimited()),
    (-32005, "Too Many Requests, retry in 1.5s", RateLimited(1.5)),
    (-32005, "rate limited, try again in 200ms", RateLimited(0.2)),
    (-32090, "Too many requests, reason: call rate limit exhausted, retry in 10s", RateLimited(10)),
    (4444, "pruned history unavailable", PrunedHistory()),
    (-32000, "missing trie node b03d68ac51042467d7637d4ef9e1c52370abc410 (path )", PrunedHistory()),
    (-32000, "required historical state unavailable (reexec=128)", PrunedHistory()),
    (-32000, "history has been pruned for this block", PrunedHistory()),
    (-32000, "Receipt not available for From block 14319330.", PrunedHistory()),
    (-32000, "data before txNum=1 is not available: blockNum=16999999", PrunedHistory()),
    (-32602, "block range extends beyond current head block", BeyondHead()),
    (
        -32602,
        "block range extends beyond current head block: requested 21000100, head 21000000",
        BeyondHead(),
    ),
    (-32000, "header not found", BeyondHead()),
    (-32600, "batch too large", BatchRefused()),
    (-32000, "Batch of more than 3 requests are not allowed on free tier", BatchRefused(3)),
    (-32600, "batch size limit 100 exceeded", BatchRefused(100)),
    (-32005, "The batch request is too large: maximum 1,000", BatchRefused(1000)),
    (3, "execution reverted: range limit", OtherRefusal()),
    (-32000, "execution reverted: rate limit", OtherRefusal()),
    (-32000, "gas limit is too high: limited to 16777216", OtherRefusal()),
    (-32000, "insufficient funds for gas * price + value", OtherRefusal()),
    (-32601, "the method eth_getBlockReceipts does not exist", OtherRefusal()),
    (-32603, "internal error", OtherRefusal()),
]


@pytest.mark.parametrize(("code", "message", "meaning"), OTHERS, ids=lambda value: str(value)[:40])
def test_classify_names_the_refusal(code: int, message: str, meaning: Refusal) -> None:
    assert classify(code, message) == meaning


def test_classify_takes_the_wait_from_the_header_when_http_refuses() -> None:
    assert classify(0, "", http_status=429, retry_after_s=3.0) == RateLimited(3.0)


def test_refuses_batches_reads_an_error_that_answers_the_whole_batch() -> None:
    assert refuses_batches(-32600, "Invalid Request") == BatchRefused(1)
    assert refuses_batches(-32600, "batch limit is 20 requests") == BatchRefused(20)
    assert refuses_batches(0, "", http_status=413) == BatchRefused()
    assert refuses_batches(-32603, "internal error") is None
    assert refuses_batches(-32600, "Must be authenticated!", http_status=401) is None
    assert refuses_batches(-32005, "rate limit", http_status=429) is None
