"""What a workflow may say: its triggers and actions, the values and conditions in them, and whether it can work."""
