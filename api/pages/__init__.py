"""Pages for people. Each works without JavaScript, runs only our script, escapes all it shows."""
