//! Many questions under one deadline.

use serde_json::{Value, json};

use super::{POINT, Shop, order, path, with};
use crate::harness::{Answer, Behaviour};

/// Bytes of the body of a batch.
const BOUND: usize = 4 * 1_024 * 1_024;

async fn ask(shop: &Shop, batch: &Value) -> Answer {
    shop.world.api("POST", &format!("{}/batch", path(POINT)), Some(batch)).await
}

fn statuses(answers: &Value) -> Vec<u64> {
    answers["answers"].as_array().unwrap().iter().map(|answer| answer["status"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn a_batch_has_1_to_100_questions_and_their_answers_in_order() {
    let shop = Shop::open(json!({})).await;
    shop.service.behave(Behaviour::Answer(204, String::new()));
    for (count, status) in [(0, 400), (1, 200), (100, 200), (101, 400)] {
        let questions: Vec<_> = (0..count).map(|total| json!({ "subject": { "total": total } })).collect();
        let answer = ask(&shop, &json!({ "invocations": questions, "deadlineMs": 30_000 })).await;
        assert_eq!(answer.status, status, "{count}");
        if status == 400 {
            assert!(
                answer.text().contains("/invocations: must be an array of 1 to 100 questions"),
                "{}",
                answer.text()
            );
            continue;
        }
        let answers = answer.json();
        assert_eq!(statuses(&answers), vec![200; count], "{count}");
        let totals = answers["answers"].as_array().unwrap().iter();
        let totals: Vec<_> = totals.map(|answer| answer["result"]["subject"]["total"].as_u64().unwrap()).collect();
        assert_eq!(totals, (0..count as u64).collect::<Vec<_>>());
    }
    assert_eq!(shop.service.received().len(), 101, "a batch that is refused calls nothing");
}

#[tokio::test]
async fn one_malformed_question_hurts_no_other() {
    let shop = Shop::open(json!({})).await;
    let batch = json!({ "invocations": [
        order(), { "subject": { "total": -1 } }, 5, with(order(), json!({ "deadlineMs": 5 })), order(),
    ] });
    let answer = ask(&shop, &batch).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answers = answer.json();
    assert_eq!(statuses(&answers), [200, 400, 400, 400, 200]);
    let causes = answers["answers"].as_array().unwrap().iter().map(|answer| answer["errorCauses"].clone());
    let cause = |text: &str| json!([{ "errorSummary": text }]);
    assert_eq!(
        causes.collect::<Vec<_>>(),
        [
            Value::Null,
            cause("/subject/total: must be at least 0"),
            cause("must be a JSON object"),
            cause("/deadlineMs: belongs to the batch: its questions have one deadline"),
            Value::Null,
        ]
    );
    assert_eq!(answers["answers"][4]["result"]["subject"]["total"], 30);
    assert_eq!(shop.service.received().len(), 2);
}

#[tokio::test]
async fn all_questions_of_a_batch_have_its_deadline() {
    let shop = Shop::open(json!({ "failurePolicy": "stop" })).await;
    shop.service.behave(Behaviour::Silent);
    let answers = ask(&shop, &json!({ "invocations": vec![order(); 3], "deadlineMs": 200 })).await.json();
    assert_eq!(statuses(&answers), [200; 3]);
    for answer in answers["answers"].as_array().unwrap() {
        let result = &answer["result"];
        assert_eq!((&result["resume"], &result["failure"]["code"]), (&json!("STOP"), &json!("TIMEOUT_RESPONSE")));
    }
}

/// Within the bound of its own, which is larger than that of one question.
#[tokio::test]
async fn the_body_of_a_batch_has_a_bound_of_its_own() {
    let shop = Shop::open(json!({})).await;
    shop.service.behave(Behaviour::Answer(204, String::new()));
    let batch = |bytes: usize| {
        let questions = |last: usize| {
            let question = |note: usize| json!({ "subject": { "total": 1, "note": "x".repeat(note) } });
            let mut questions = vec![question(500_000); 8];
            questions.push(question(last));
            json!({ "invocations": questions })
        };
        questions(bytes - questions(0).to_string().len())
    };
    for (bytes, status) in [(BOUND, 200), (BOUND + 1, 413)] {
        assert_eq!(batch(bytes).to_string().len(), bytes);
        assert_eq!(ask(&shop, &batch(bytes)).await.status, status, "{bytes}");
    }
}
