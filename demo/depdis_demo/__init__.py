"""The demo: street pictures and videos in a browser, by the runtime's public API."""
