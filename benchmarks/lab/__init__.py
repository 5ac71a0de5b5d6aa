"""A small network of servers and clients in namespaces of this machine, recorded through real flow exporters.

See README.md beside this file for what is recorded, and for its limits.
"""
