"""Hostile input by the million: mutated messages against the codecs in this process and against a running server.

    python -m benchmarks.fuzzing [--inputs 1000000] [--seed 0] [--json FILE]

Inputs are mutations of valid messages. One that is refused at a place in the source where none was refused before
becomes a parent of later ones, so that the search goes on from whatever gets further. Of a million, seven in ten go to
the decoders and codecs here, two to the gRPC face of a server process, one to its REST face, plain bytes that are
neither HTTP nor OIP among them. No input may crash, hang, allocate beyond the limits, or be answered by an error that
is no refusal; afterwards the server has to answer a good request rightly, with no more memory than before.
"""
