"""Released weights with their cards, and how they are found."""
