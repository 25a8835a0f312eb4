"""What a chain is to Lastro: its types, its networks, its nodes and what is deployed there."""
