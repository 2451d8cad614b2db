"""What the rooms exchange: frozen, typed values that go to JSON and back."""
