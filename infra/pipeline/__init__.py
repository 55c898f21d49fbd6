"""From a catalogue file in the bundles bucket to a new version of search: what the build project runs, and in which
order.
"""
