"""StreamGate: a streaming platform in small. Media are uploaded, found, and streamed; reads are cached, callers limited."""
