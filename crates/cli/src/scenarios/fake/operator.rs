//! Shares and seal.

use conclave_client::v1;
use conclave_formats::share_text::{ShareHeader, ShareText};
use tonic::{Request, Response};
use v1::operator_server::Operator;

use super::{Answer, Fake};

/// The text of share `index` of 5.
pub(in crate::scenarios) fn share(index: u8) -> String {
    let header = ShareHeader { keyspace8: [1; 4], epoch: 1, index, shares: 5, threshold: 3 };
    let bytes: Vec<u8> = std::iter::once(index).chain(1..=32).collect();
    ShareText::new(header, &bytes).unwrap().encode().to_string()
}

#[tonic::async_trait]
impl Operator for Fake {
    async fn init(&self, r: Request<v1::InitRequest>) -> Answer<v1::InitAnswer> {
        self.count();
        let r = r.into_inner();
        let dealt = |index| v1::DealtShare { index, text: share(index as u8), encrypted: false };
        Ok(Response::new(v1::InitAnswer {
            cluster_id: "c1".into(),
            epoch: 1,
            threshold: r.threshold,
            shares: (1..=r.shares).map(dealt).collect(),
            admin_token: "cnclv_secret".into(),
            ..Default::default()
        }))
    }
    async fn submit_share(
        &self,
        r: Request<v1::SubmitShareRequest>,
    ) -> Answer<v1::SubmitShareAnswer> {
        let mut state = self.called();
        let share = ShareText::parse(&r.into_inner().share).unwrap();
        state.submitted.push(share.encode().to_string());
        let have = state.submitted.len() as u32;
        let unsealed = have >= 3;
        let member = v1::MemberSeal { id: 1, sealed: Some(!unsealed) };
        Ok(Response::new(v1::SubmitShareAnswer {
            accepted: true,
            index: share.header().index.into(),
            have,
            needed: 3,
            node_unsealed: unsealed,
            members: vec![member, v1::MemberSeal { id: 2, sealed: None }],
            restarted: String::new(),
        }))
    }
    async fn seal(&self, _: Request<v1::SealRequest>) -> Answer<v1::SealAnswer> {
        self.count();
        let members = vec![v1::MemberSeal { id: 1, sealed: Some(true) }];
        Ok(Response::new(v1::SealAnswer { members, log_index: 10 }))
    }
    async fn status(&self, r: Request<v1::StatusRequest>) -> Answer<v1::StatusAnswer> {
        self.count();
        let cluster = v1::ClusterStatus { term: r.into_inner().at_index(), ..Default::default() };
        Ok(Response::new(v1::StatusAnswer { cluster: Some(cluster), ..Default::default() }))
    }
}
