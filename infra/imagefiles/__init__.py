"""What a CRM's image is built from, besides its hashed requirements: constant text, shipped as data."""
