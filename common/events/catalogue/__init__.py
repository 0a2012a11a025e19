"""Everything that can happen in a run: one class for each event, in the module of its theme.

An event's name and fields are those of its line in dump.txt; docs/DUMP.md lists them. To add one, write its
class. An algorithm may keep its own events in its own package.
"""
