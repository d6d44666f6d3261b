"""Events of an account, for people and programs: written with each change, listed and streamed."""
