"""What the API keeps in the catalog: keys and answers to repeated requests; long lists in pages."""
