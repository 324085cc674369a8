"""What a trader wants to be told of: conditions on closed bars, judged by pure functions.

conditions (what), closing (which bars count), judging (when it came true), brake (how often it is
told), foresight (how often it would have been).
"""
