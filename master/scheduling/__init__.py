"""Which task runs where and when: pure, notices in, commands out."""
