//! Text and byte formats shared by server and clients: shares, tokens, ciphertexts, streams.
