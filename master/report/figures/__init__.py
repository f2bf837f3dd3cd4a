"""What the report draws: each figure as a plain dictionary for Plotly, from lines that `series` and `fleet` have read."""
