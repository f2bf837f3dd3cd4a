"""The page's JSON: `runs` reads, `control` starts and stops, `access` signs in."""
