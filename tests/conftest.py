"""Settings of the whole suite."""

from hypothesis import settings

# A busy machine must not fail a property by being slow; a failure prints how to run it again.
settings.register_profile("dogwatch", deadline=None, print_blob=True)
settings.load_profile("dogwatch")
