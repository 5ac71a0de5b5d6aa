"""What production says, coming back."""
