"""Which task runs where and when: pure, events in, commands out."""
