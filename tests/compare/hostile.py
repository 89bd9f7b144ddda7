"""A text that tries to be markup in every format we write."""

HOSTILE = (
    "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'|`*_[a](javascript:x)\x1b[31m&amp;\u202e"
    "<svg onload=alert(3)>{{ 7*7 }}${alert(4)}"
)
