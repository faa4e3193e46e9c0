//! Compiles the protos with protox, so that no `protoc` is needed.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Asked for now, not when this was compiled: two clones may share a target folder.
    let root = Path::new(&std::env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    let files = [
        "conclave/v1/keys.proto",
        "conclave/v1/instances.proto",
        "conclave/v1/crypto.proto",
        "conclave/v1/operator.proto",
        "conclave/v1/access.proto",
        "conclave/v1/bench.proto",
        "peer/v1/peer.proto",
    ];
    println!("cargo:rerun-if-changed={}", root.display());
    let descriptors = protox::compile(files, [&root])?;
    let out = std::env::var("OUT_DIR")?;
    // Only development nodes serve what is in bench.proto.
    let is_public = |file: &&prost_types::FileDescriptorProto| {
        file.package() != "peer.v1" && file.name() != "conclave/v1/bench.proto"
    };
    let public: Vec<_> = descriptors.file.iter().filter(is_public).cloned().collect();
    let reflected = encode_descriptors(public);
    std::fs::write(Path::new(&out).join("public.fds"), reflected)?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    Ok(())
}

/// The descriptors that the reflection service offers: the public packages only.
fn encode_descriptors(file: Vec<prost_types::FileDescriptorProto>) -> Vec<u8> {
    prost::Message::encode_to_vec(&prost_types::FileDescriptorSet { file })
}
