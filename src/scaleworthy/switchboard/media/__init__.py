"""Sound of a call over a WebSocket: a frame of μ-law every 20 ms each way, measured as it comes."""
