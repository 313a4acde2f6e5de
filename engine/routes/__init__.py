"""The HTTP surface, one file per noun, in the shapes that an Inngest server answers with."""
