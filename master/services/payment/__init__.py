"""The payment service, which never meets a performance test."""
