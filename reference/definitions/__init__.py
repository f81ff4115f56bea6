"""What a formula says, as plain loops: a file a family. They are to be read, and the ops are compared with them; nobody computes with them."""
