"""How media come in: whole by a form, or in parts by tus."""
