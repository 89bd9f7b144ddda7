"""docs/families.md"""
def markdown() -> str:
    return ""
