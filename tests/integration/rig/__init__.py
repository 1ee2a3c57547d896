"""What the integration tests stand on: private servers, a daemon to test, and clients for both.

Everything listens on loopback, lives below one temporary directory and is ended by its own
process handle, so servers of the machine neither matter nor notice.
"""
