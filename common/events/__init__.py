"""What happens in a run, its form in dump.txt, and how it gets there."""
