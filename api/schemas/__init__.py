"""What the API answers, as documented types. No field can hold anything about a backer."""
