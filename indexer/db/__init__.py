"""The Postgres ground every package builds its tables on."""
