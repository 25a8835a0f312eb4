"""The words, codes and numbers of refusals, as providers and nodes write them; lower case.

Sources: the public error texts of Alchemy, Infura, QuickNode, Ankr, dRPC, LlamaRPC, Chainstack,
Blast, BlockPI and Nodies; go-ethereum ``eth/filters/api.go`` and ``rpc/errors.go``, bor, Erigon,
Nethermind, reth ``rpc-eth-types``, and celo's forno.
"""

import re

RATE_CODES = frozenset({429, -32007, -32012, -32016, -32029, -32090, -32097})
"""429 in a body (Alchemy), requests and credits a second (QuickNode), over rate limit (op-stack
proxyd), and Blast's, Cloudflare's and Ankr's own."""

RATE_WORDS = (
    "rate limit",
    "ratelimit",
    "too many requests",
    "compute units per second",
    "request limit reached",
    "requests per second",
    "credits limited",
    "throttl",
    "exceeded its throughput",
    "call limit exceeded",
    "request count exceeded",
    "capacity exceeded",
)
PRUNED_WORDS = (
    "pruned",
    "missing trie node",
    "historical state",
    "state is not available",
    "state not available",
    "archive",
    "is not available: blocknum",
    "receipt not available",
    "receipts unavailable",
    "block receipts not found",
    "old data not available",
    "history not available",
)
BEYOND_WORDS = (
    "beyond current head",
    "beyond head",
    "beyond the head",
    "past the head",
    "after last accepted block",
    "greater than latest block",
    "greater than the latest block",
    "higher than the latest",
    "exceeds current head",
    "exceeds head",
    "future block",
    "in the future",
    "ahead of the chain",
    "unknown block",
    "block not found",
    "header not found",
)
BATCH_WORDS = (
    "batch",
    "too many calls in one request",
    "expected a single request",
)
WIDE_WORDS = (
    "block range",
    "blocks range",
    "max range",
    "maxblockrange",
    "range limit",
    "range is too",
    "range too",
    "ranges over",
    "range exceeds",
    "exceed maximum",
    "max block",
    "maximum block",
    "blocks distance",
    "is limited to",
    "limited to",
    "limit of",
    "up to a",
    "query returned more than",
    "returns more than",
    "too many results",
    "too many logs",
    "max results",
    "maximum results",
    "log limit",
    "logs limit",
    "logs matched",
    "more than 10000",
    "response size",
    "response is too big",
    "response too large",
    "content length",
    "query timeout",
    "query timed out",
    "query duration",
    "timeout exceeded",
    "deadline exceeded",
    "execution timeout",
    "limit the query",
    "limit your query",
    "narrow",
    "smaller range",
    "query exceeds",
)
NOT_A_RANGE = ("execution reverted", "gas", "nonce", "fund", "transaction")
"""A refusal that speaks of these is about a call or a transaction, whatever else it says."""

NUMBER = r"(\d{1,3}(?:[,_.]\d{3})+|\d+)(k?)\b"
SUGGESTED = (
    re.compile(r"\[\s*(0x[0-9a-f]+|\d+)\s*,\s*(0x[0-9a-f]+|\d+)\s*\]"),
    re.compile(r"range (?:of )?(0x[0-9a-f]+|\d+)\s*(?:-|to|and)\s*(0x[0-9a-f]+|\d+)"),
)
CAP_LOGS = (
    re.compile(
        rf"(?:more than|exceeds?(?: the)?(?: max(?:imum)?)?(?: results)?) {NUMBER} ?"
        r"(?:results|logs)"
    ),
    re.compile(rf"max(?:imum)? results:? {NUMBER}"),
    re.compile(rf"{NUMBER} (?:results|logs)"),
    re.compile(rf"(?:results|logs)[^0-9]*(?:limit|max)[^0-9]*{NUMBER}"),
)
CAP_BLOCKS = (
    re.compile(
        rf"max(?:imum)?(?: allowed)?(?: block)?(?:s)?(?: range)?"
        rf"(?: allowed)?(?: is| of|:| =|=)?(?: up to)? ?{NUMBER}"
    ),
    re.compile(rf"limit(?:ed)?(?: of| to|:| is)? ?(?:a |0 ?- ?)?{NUMBER}"),
    re.compile(rf"up to (?:a )?{NUMBER}"),
    re.compile(
        rf"(?:exceeds?|larger than|wider than|more than|greater than|over|under|within|"
        rf"less than) (?:the )?(?:max(?:imum)? )?(?:block )?(?:range )?(?:limit )?"
        rf"(?:of )?{NUMBER}"
    ),
    re.compile(rf"{NUMBER} ?-?blocks?(?: range)?"),
)
CAP_CALLS = (
    re.compile(rf"(?:more than|max(?:imum)?[a-z ]*|limit[a-z ]*|up to):? ?{NUMBER}"),
    re.compile(rf"{NUMBER} (?:requests|calls)"),
)
BACKOFF = re.compile(r"(?:try again|retry|wait)[a-z ]*?(\d+(?:\.\d+)?) ?(ms|s)")
