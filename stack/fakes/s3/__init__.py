"""An S3 that means it: signatures, expiry, signed headers and conditional writes as at AWS.

No byte is taken or given before the call's Signature Version 4 is verified, but for reads under
the public prefix. An object is acknowledged once it is on disk, whole, and survives any kill. Of
concurrent conditional writes of one key, one wins. Bucket configuration and the queue (SQS) behind
it are moto's, in memory; objects never pass through it. What S3 has and this has not is refused by
name (``NotImplemented``), never half done.
"""
