"""The public shapes of Shoal's records, as msgspec structs; JSON Schema and AsyncAPI are made from them."""
