"""Release tooling: what the workflows call, and what a person calls from a laptop.

It needs PyYAML and urllib3 alone (delivery/requirements.txt), so that the jobs which hold the keys
of the platforms run little code of others.
"""
