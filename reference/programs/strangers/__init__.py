"""Programs as strangers write them: each file is run twice, with torch and with minitorch where it says torch. Read one: `gpt.py`."""
