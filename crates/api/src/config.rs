//! What a node's configuration says to the services.

/// Settings of the services.
#[derive(Clone, Debug)]
pub struct ApiConfig {
    /// Name of the cluster: certificates of another cluster name nobody here.
    pub cluster_name: String,
    /// Node id of this node.
    pub node_id: u32,
    /// Whether this is a development node: it may make a first credential that does not expire,
    /// and serves what `conclave bench` compares with.
    pub development: bool,
    /// Names of the operator certificates that may initialize the cluster; empty: any operator
    /// certificate of the cluster's authority.
    pub operators: Vec<String>,
    /// Version of the software.
    pub version: String,
}
