"""Tables: read, profile, check, clean, split, diff, propose. Rule: pure; frames in, frames and findings out."""
