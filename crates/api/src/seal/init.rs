//! Init: the root key is made, dealt and forgotten; the cluster keeps commitments.

use crate::call::Call;
use crate::context::Context;
use crate::credential;
use crate::deadline::Deadline;
use crate::error::ApiError;
use crate::limits::{
    ADMIN_TTL_DEFAULT_S, PREPARE_ATTEMPTS, REPORT_TIMEOUT, SHARES_DEFAULT, THRESHOLD_DEFAULT,
    TOKEN_TTL_S,
};
use crate::moment::Moment;
use crate::render::timestamp;
use crate::validate;
use conclave_core::command::{Caller, Command, FirstAdmin, InitializeSeal, WrappedWrappingKey};
use conclave_core::ids::{InstanceId, KeyspaceId, PrincipalId, TokenId};
use conclave_core::outcome::{Effect, Outcome, Refusal};
use conclave_core::replica::ProposeError;
use conclave_core::seal::ADMIN;
use conclave_core::seams::random_uuid;
use conclave_crypto::dealing::{self, DealtShare};
use conclave_crypto::shamir::SharePlan;
use conclave_crypto::wrap::WrappingKeyContext;
use conclave_crypto::{WrappingKey, share_file, token};
use conclave_formats::names::CertName;
use conclave_formats::token::Token;
use conclave_proto::v1;

/// Generation of the first wrapping key.
const FIRST_GENERATION: u32 = 1;

/// What an init was asked for, checked.
struct Plan {
    shares: SharePlan,
    /// One age recipient a share, or none at all.
    recipients: Vec<String>,
    /// Life of the first credential; `None`: for ever.
    ttl_ms: Option<u64>,
}

/// What one attempt made. Dropped with everything secret in it unless the cluster takes it.
struct Prepared {
    command: InitializeSeal,
    shares: Vec<v1::DealtShare>,
    admin: Token,
}

impl Context {
    /// Makes the root key, deals its shares and gives them out. This node keeps nothing.
    pub(crate) async fn init(
        &self,
        call: &Call,
        request: v1::InitRequest,
    ) -> Result<v1::InitAnswer, ApiError> {
        let caller = Caller::Operator { name: self.initializer(call)? };
        let plan = self.plan(request)?;
        for _ in 0..PREPARE_ATTEMPTS {
            let moment = self.barrier(call.deadline.remaining()).await?.moment;
            let Prepared { command, shares, admin } = self.prepare_init(&moment, &plan)?;
            let (keyspace, epoch) = (command.keyspace, command.epoch);
            let command = Command::InitializeSeal(Box::new(command));
            let timeout = call.deadline.remaining();
            let applied = self.propose_own(caller.clone(), command, timeout).await;
            let applied = applied.map_err(init_unknown)?;
            match applied.outcome {
                Outcome::Done(Effect::SealInitialized { admin_expires_at_ms }) => {
                    return Ok(v1::InitAnswer {
                        cluster_id: self.cluster_id(&call.deadline).await,
                        keyspace_id: keyspace.to_string(),
                        epoch,
                        threshold: plan.shares.threshold().into(),
                        shares,
                        admin_token: admin.encode().to_string(),
                        admin_expires_at: admin_expires_at_ms.map(timestamp),
                        log_index: applied.index,
                    });
                }
                Outcome::Done(_) => return Err(crate::mutate::unexpected_effect()),
                // Another init came first; deal again for what is there now.
                Outcome::Refused(Refusal::Superseded) => {}
                Outcome::Refused(refusal) => return Err(refusal.into()),
            }
        }
        Err(Refusal::Superseded.into())
    }

    /// Who may initialize: the holder of an operator certificate that the configuration accepts.
    fn initializer(&self, call: &Call) -> Result<String, ApiError> {
        match credential::operator_of(&call.peer, &self.config)? {
            Some(name) => Ok(name),
            None => Err(Refusal::WrongCaller.into()),
        }
    }

    fn plan(&self, request: v1::InitRequest) -> Result<Plan, ApiError> {
        let shares = validate::number("shares", request.shares, SHARES_DEFAULT, &(1..=255))?;
        let threshold =
            validate::number("threshold", request.threshold, THRESHOLD_DEFAULT, &(1..=255))?;
        let shares = share_plan(shares, threshold, request.allow_single_share)?;
        check_recipients(&request.recipients, shares.shares())?;
        let ttl_s = validate::number(
            "admin_ttl_s",
            request.admin_ttl_s,
            ADMIN_TTL_DEFAULT_S,
            &TOKEN_TTL_S,
        )?;
        if request.admin_never_expires && !self.config.development {
            let sentence = "only a node with development.enabled makes a credential that never \
                            expires; give admin_ttl_s instead";
            return Err(ApiError::field("admin_never_expires", sentence));
        }
        let ttl_ms = (!request.admin_never_expires).then_some(ttl_s * 1_000);
        Ok(Plan { shares, recipients: request.recipients, ttl_ms })
    }

    fn prepare_init(&self, moment: &Moment, plan: &Plan) -> Result<Prepared, ApiError> {
        let before = moment.view.seal();
        if before.is_some_and(|seal| seal.confirmed) {
            return Err(Refusal::AlreadyInitialized.into());
        }
        let keyspace =
            before.map_or_else(|| KeyspaceId(random_uuid(&*self.entropy)), |seal| seal.keyspace);
        let epoch = before.map_or(1, |seal| seal.epoch.saturating_add(1));
        let dealing = dealing::deal(&*self.entropy, keyspace.0, epoch, plan.shares);
        let context =
            WrappingKeyContext { keyspace_id: keyspace.0, epoch, generation: FIRST_GENERATION };
        let wrapping_key = WrappingKey::generate(&*self.entropy, FIRST_GENERATION);
        let wrapped = dealing
            .root
            .wrap_wrapping_key(&context, &wrapping_key)
            .map_err(|_| ApiError::alarm("the first wrapping key could not be wrapped"))?;
        drop(dealing.root);
        let admin = token::issue(&*self.entropy);
        let command = InitializeSeal {
            keyspace,
            epoch,
            threshold: plan.shares.threshold(),
            commitments: dealing.commitments,
            check_value: dealing.check_value.to_vec(),
            wrapping_key: WrappedWrappingKey { generation: FIRST_GENERATION, wrapped },
            admin: self.first_admin(&admin, plan.ttl_ms),
            instance: InstanceId(random_uuid(&*self.entropy)),
        };
        Ok(Prepared { command, shares: hand_out(&dealing.shares, &plan.recipients)?, admin })
    }

    fn first_admin(&self, token: &Token, ttl_ms: Option<u64>) -> FirstAdmin {
        let cluster = self.config.cluster_name.clone();
        let name = CertName::Principal { cluster, name: ADMIN.to_owned() };
        FirstAdmin {
            principal: PrincipalId(random_uuid(&*self.entropy)),
            certificate: self.config.development.then(|| name.to_string()),
            token: TokenId(token.token_id()),
            token_hash: token::hash(token),
            ttl_ms,
        }
    }

    /// The id of the cluster, as replication knows it; empty if it does not know one.
    async fn cluster_id(&self, deadline: &Deadline) -> String {
        let report = self.replica().report(None, deadline.at_most(REPORT_TIMEOUT)).await;
        report.cluster_id.map_or_else(String::new, |id| id.to_string())
    }
}

fn share_plan(shares: u32, threshold: u32, single: bool) -> Result<SharePlan, ApiError> {
    let small = |number: u32| u8::try_from(number).unwrap_or(u8::MAX);
    let (shares, threshold) = (small(shares), small(threshold));
    let plan = if single {
        SharePlan::allowing_single_share(shares, threshold)
    } else {
        SharePlan::new(shares, threshold)
    };
    plan.map_err(|error| ApiError::field("threshold", error))
}

fn check_recipients(recipients: &[String], shares: u8) -> Result<(), ApiError> {
    if recipients.is_empty() {
        return Ok(());
    }
    if recipients.len() != usize::from(shares) {
        let given = recipients.len();
        let sentence =
            format!("one recipient a share is needed: {shares}, not {given}; or none at all");
        return Err(ApiError::field("recipients", sentence));
    }
    let check = |recipient: &String| {
        share_file::check_recipient(recipient).map_err(|error| ApiError::field("recipients", error))
    };
    recipients.iter().try_for_each(check)
}

/// The shares as their custodians get them.
fn hand_out(dealt: &[DealtShare], recipients: &[String]) -> Result<Vec<v1::DealtShare>, ApiError> {
    let one = |(at, dealt): (usize, &DealtShare)| {
        let (index, text) = (dealt.index().into(), dealt.to_text());
        match recipients.get(at) {
            None => Ok(v1::DealtShare { index, text: text.encode().to_string(), encrypted: false }),
            Some(recipient) => share_file::encrypt_share_to(recipient, &text)
                .map(|text| v1::DealtShare { index, text, encrypted: true })
                .map_err(|error| ApiError::field("recipients", error)),
        }
    };
    dealt.iter().enumerate().map(one).collect()
}

fn init_unknown(error: ProposeError) -> ApiError {
    match error {
        ProposeError::Unknown => ApiError::outcome_unknown(error.to_string()).with_next(
            "run init again: until the first unseal that is safe, and older shares stop working",
        ),
        ProposeError::Unavailable(unavailable) => unavailable.into(),
    }
}
