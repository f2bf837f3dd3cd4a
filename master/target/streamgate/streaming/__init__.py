"""Media as ranges, playlists and segments."""
