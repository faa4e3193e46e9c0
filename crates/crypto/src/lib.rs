//! The only crate of the server that names a cipher: secrets, hierarchy, shares, data plane.
