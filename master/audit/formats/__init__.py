"""An audit as files: JSON, HTML, SARIF, JUnit; and as text."""
