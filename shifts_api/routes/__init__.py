"""The routes, one module per subject; `app.py` lists all of them."""
