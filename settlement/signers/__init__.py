"""Who holds the keys: this process, a key management service, or a wallet service.

Each signs what it is asked, or says why not; none sends. All pass one acceptance suite
(``tests/settlement/signers``), and none is believed: ``settlement.signer`` checks every answer.
"""
