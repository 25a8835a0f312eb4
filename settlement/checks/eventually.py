"""I2, eventually: whatever is not done is on its way, or stands still under a name and a reason."""

from settlement.checks.check import Check

CHECKS: tuple[Check, ...] = (
    Check(
        "I2.states",
        "Everything is in a state that is known, has an age, and says why where it stands still.",
        """
        WITH held(name, chain_id, state, since, reason, is_known, is_stopped) AS (
            SELECT 'request ' || request_id, chain_id, state, state_since, reason,
                state IN ('ready', 'batched', 'included', 'settled', 'refunded', 'blocked',
                    'quarantined', 'void', 'superseded'),
                state IN ('blocked', 'quarantined')
            FROM settlement.requests
            UNION ALL
            SELECT 'campaign ' || request_id, chain_id, state, state_since, reason,
                state IN ('requested', 'campaign_pending', 'treasury_pending', 'live', 'blocked'),
                state = 'blocked'
            FROM settlement.campaigns
            UNION ALL
            SELECT 'action ' || action_id, chain_id, state, state_since, reason,
                state IN ('requested', 'sealed', 'included', 'done', 'blocked', 'quarantined',
                    'void'),
                state IN ('blocked', 'quarantined')
            FROM settlement.actions
            UNION ALL
            SELECT 'signer 0x' || encode(address, 'hex'), chain_id, mode, now(), mode_reason,
                mode IN ('active', 'quarantine'), mode = 'quarantine'
            FROM settlement.signers
        )
        SELECT name || ' is ' || coalesce(state, 'nowhere') AS example
        FROM held
        WHERE coalesce(:chain_id, chain_id) = chain_id
            AND (is_known IS NOT TRUE OR since IS NULL
                OR (is_stopped AND coalesce(btrim(reason), '') = ''))
        """,
    ),
    # Nothing is asked of 'ready': an operator may make it so while a transaction is under way, and
    # the index then moves it. A batch whose slot was mined may be waiting for the index: no sink.
    Check(
        "I2.batched",
        "A batched payment is in a batch that has a nonce and may still take effect.",
        """
        SELECT 'request ' || request.request_id AS example
        FROM settlement.requests AS request
        LEFT JOIN settlement.batches AS batch ON batch.id = request.batch_id
        LEFT JOIN settlement.batch_items AS item
            ON item.batch_id = batch.id AND item.request_id = request.request_id
        LEFT JOIN settlement.nonce_slots AS slot ON slot.batch_id = batch.id
        WHERE request.state = 'batched' AND coalesce(:chain_id, request.chain_id) = request.chain_id
            AND (batch.id IS NULL OR batch.released_at IS NOT NULL OR item.batch_id IS NULL
                OR slot.batch_id IS NULL
                OR (slot.is_final AND slot.state IN ('mined_failed', 'foreign')))
        """,
    ),
    # Done, included or stopped, an action may have come there by another hand: nothing is asked.
    Check(
        "I2.actions",
        "An action is sealed while, and only while, a transaction of it may still take effect.",
        """
        SELECT 'action ' || action.action_id || ' is ' || action.state AS example
        FROM settlement.actions AS action
        LEFT JOIN settlement.batches AS batch
            ON batch.action_id = action.action_id AND batch.released_at IS NULL
        LEFT JOIN settlement.nonce_slots AS slot ON slot.batch_id = batch.id
        WHERE coalesce(:chain_id, action.chain_id) = action.chain_id
            AND ((action.state = 'sealed' AND slot.batch_id IS NULL)
                OR (action.state = 'requested' AND batch.id IS NOT NULL))
        """,
    ),
    # Requests older than the trigger have no moves; nobody is born in any state but 'ready'.
    Check(
        "I2.moves",
        "The newest move of a payment names the state it is in.",
        """
        SELECT 'request ' || request.request_id AS example
        FROM settlement.requests AS request
        JOIN LATERAL (
            SELECT move.after FROM settlement.moves AS move
            WHERE move.request_id = request.request_id
            ORDER BY move.id DESC LIMIT 1
        ) AS newest ON newest.after <> request.state
        WHERE coalesce(:chain_id, request.chain_id) = request.chain_id
        """,
    ),
)
