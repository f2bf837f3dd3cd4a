"""HTTP/1.1 without I/O: bytes in, responses out; requests in, bytes out. No socket, no clock, no greenlet.

url ─► request_head, request_body ─► (transport) ─► reader ─► response_head, chunked, content_coding

Internal: users of this project import worker.http. A test holds that nothing in here imports what does I/O.
"""
