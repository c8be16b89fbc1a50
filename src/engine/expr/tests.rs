use super::*;

const MICROS: TimeUnit = TimeUnit::Microseconds;

fn node(kind: ExprKind, ty: Type) -> Typed {
    Typed { kind, ty }
}

/// Columns of four rows; the last is null everywhere.
fn profiles() -> DataFrame {
    let dates = Column::new("date".into(), [Some(0), Some(59), Some(i32::MAX), None])
        .cast(&DataType::Date)
        .expect("days are dates");
    let datetimes =
        Column::new("datetime".into(), [Some(-1), Some(86_400_000_000), Some(i64::MAX), None])
            .cast(&DataType::Datetime(MICROS, None))
            .expect("microseconds are datetimes");
    let columns = vec![
        Column::new("^text$".into(), [Some(" Größe\n"), Some("a.c"), Some(""), None]),
        Column::new("bool".into(), [Some(true), Some(false), Some(true), None]),
        Column::new("int".into(), [Some(3), Some(i64::MAX), Some(i64::MIN), None]),
        Column::new("float".into(), [Some(2.5), Some(f64::NAN), Some(f64::INFINITY), None]),
        dates,
        datetimes,
        Column::new("consent_x".into(), [true, false, true, false]),
    ];
    DataFrame::new_infer_height(columns).expect("columns of equal height")
}

const FIELDS: [(&str, Type); 6] = [
    ("^text$", Type::Text),
    ("bool", Type::Bool),
    ("int", Type::Int),
    ("float", Type::Float),
    ("date", Type::Date),
    ("datetime", Type::Datetime),
];

fn text() -> Typed {
    node(ExprKind::Field(FieldId(0)), Type::Text)
}

fn boolean() -> Typed {
    node(ExprKind::Field(FieldId(1)), Type::Bool)
}

fn int() -> Typed {
    node(ExprKind::Field(FieldId(2)), Type::Int)
}

fn float() -> Typed {
    node(ExprKind::Field(FieldId(3)), Type::Float)
}

fn date() -> Typed {
    node(ExprKind::Field(FieldId(4)), Type::Date)
}

fn datetime() -> Typed {
    node(ExprKind::Field(FieldId(5)), Type::Datetime)
}

fn ints(number: i64) -> Typed {
    node(ExprKind::Literal(Constant::Int(number)), Type::Int)
}

fn floats(number: f64) -> Typed {
    node(ExprKind::Literal(Constant::Float(number)), Type::Float)
}

fn texts(text: &str) -> Typed {
    node(ExprKind::Literal(Constant::Text(text.to_owned())), Type::Text)
}

fn null(ty: Type) -> Typed {
    node(ExprKind::Literal(Constant::Null), ty)
}

fn compare(left: Typed, op: CompareOp, right: Typed) -> Typed {
    node(ExprKind::Compare(op, Box::new(left), Box::new(right)), Type::Bool)
}

fn equal(left: Typed, right: Typed) -> Typed {
    compare(left, CompareOp::Equal, right)
}

fn not(inner: Typed) -> Typed {
    node(ExprKind::Not(Box::new(inner)), Type::Bool)
}

fn compute(left: Typed, op: ArithmeticOp, right: Typed) -> Typed {
    let ty = left.ty;
    node(ExprKind::Arithmetic(op, Box::new(left), Box::new(right)), ty)
}

fn call(function: Function, arguments: Vec<Typed>, ty: Type) -> Typed {
    node(ExprKind::Call(function, arguments), ty)
}

fn cast(inner: Typed, ty: Type) -> Typed {
    node(ExprKind::Cast(Box::new(inner)), ty)
}

fn shifted(base: Typed, sign: i8, months: i32, days: i32, micros: i64) -> Typed {
    let ty = base.ty;
    let interval = Interval { months, days, micros };
    node(ExprKind::Shift { base: Box::new(base), sign, interval }, ty)
}

/// The values of an expression in both of Polars' engines, which must agree.
fn values(expr: &Typed) -> Column {
    let field = |id: FieldId| FIELDS[id.0].0.to_owned();
    let names = Names {
        field: &field,
        consent: &|_| "consent_x".to_owned(),
        aggregate: &|_| String::new(),
    };
    let lowered = lower(expr, &names, Instant(100 * 86_400_000_000)).alias("result");
    let plan = profiles().lazy().with_column(lowered).select([Expr::Column("result".into())]);
    let frame = plan.clone().collect().expect("it can be computed");
    let streamed = plan.with_streaming(true).collect().expect("it can be streamed");
    assert!(frame.equals_missing(&streamed), "{frame} {streamed}");
    let column = frame.column("result").expect("the column is there").clone();
    assert_eq!(*column.dtype(), data_type(expr.ty));
    column
}

#[track_caller]
fn truth(expr: &Typed, expected: [Option<bool>; 4]) {
    let values = values(expr);
    let found: Vec<_> = values.bool().expect("bools").iter().collect();
    assert_eq!(found, expected);
}

#[track_caller]
fn whole(expr: &Typed, expected: [Option<i64>; 4]) {
    let values = values(expr).cast(&DataType::Int64).expect("ints");
    let found: Vec<_> = values.i64().expect("ints").iter().collect();
    assert_eq!(found, expected);
}

#[track_caller]
fn real(expr: &Typed, expected: [Option<f64>; 4]) {
    let values = values(expr);
    let found: Vec<_> = values.f64().expect("floats").iter().collect();
    assert_eq!(found, expected);
}

#[track_caller]
fn words(expr: &Typed, expected: [Option<&str>; 4]) {
    let values = values(expr);
    let found: Vec<_> = values.str().expect("texts").iter().collect();
    assert_eq!(found, expected);
}

const T: Option<bool> = Some(true);
const F: Option<bool> = Some(false);
const N: Option<bool> = None;

#[test]
fn logic_is_three_valued() {
    truth(&boolean(), [T, F, T, N]);
    truth(&not(boolean()), [F, T, F, N]);
    let bools = |value| node(ExprKind::Literal(Constant::Bool(value)), Type::Bool);
    for (left, right) in [(boolean(), null(Type::Bool)), (null(Type::Bool), boolean())] {
        truth(&node(ExprKind::And(vec![left.clone(), right.clone()]), Type::Bool), [N, F, N, N]);
        truth(&node(ExprKind::Or(vec![left, right]), Type::Bool), [T, N, T, N]);
    }
    truth(&node(ExprKind::And(vec![boolean(), bools(false)]), Type::Bool), [F, F, F, F]);
    truth(&node(ExprKind::Or(vec![bools(true), boolean()]), Type::Bool), [T, T, T, T]);
    let unknown = equal(int(), null(Type::Int));
    truth(&unknown, [N, N, N, N]);
    truth(&node(ExprKind::Or(vec![unknown, boolean()]), Type::Bool), [T, N, T, N]);
    truth(&node(ExprKind::Consent(PurposeId(0)), Type::Bool), [T, F, T, F]);
    truth(&node(ExprKind::IsNull(Box::new(int())), Type::Bool), [F, F, F, T]);
}

#[test]
fn thousands_of_members() {
    for kind in [ExprKind::And, ExprKind::Or] {
        let members = vec![equal(int(), ints(3)); 5_000];
        truth(&node(kind(members), Type::Bool), [T, F, F, N]);
    }
}

#[test]
fn comparisons() {
    truth(&equal(text(), texts("a.c")), [F, T, F, N]);
    truth(&compare(text(), CompareOp::Less, texts("a")), [T, F, T, N]);
    truth(&compare(int(), CompareOp::NotEqual, ints(3)), [F, T, T, N]);
    truth(&compare(int(), CompareOp::GreaterEqual, ints(3)), [T, T, F, N]);
    truth(&compare(int(), CompareOp::LessEqual, ints(3)), [T, F, T, N]);
    truth(&compare(int(), CompareOp::Greater, ints(3)), [F, T, F, N]);
    truth(&equal(boolean(), boolean()), [T, T, T, N]);
    // NaN is null, so it does not even differ.
    truth(&equal(float(), float()), [T, N, T, N]);
    truth(&compare(float(), CompareOp::NotEqual, floats(0.0)), [T, N, T, N]);
    truth(&compare(float(), CompareOp::Greater, floats(9.0)), [F, N, T, N]);
    truth(&node(ExprKind::IsNull(Box::new(float())), Type::Bool), [F, T, F, T]);
    truth(&equal(floats(0.0), floats(-0.0)), [T, T, T, T]);
    truth(&compare(cast(int(), Type::Float), CompareOp::Greater, floats(2.5)), [T, T, F, N]);
}

#[test]
fn decimals_are_floats() {
    let prices = Column::new("price".into(), [Some(1.25), None])
        .cast(&DataType::Decimal(38, 2))
        .expect("decimals");
    let price = node(ExprKind::Field(FieldId(0)), Type::Decimal(2));
    let rule = equal(cast(price, Type::Float), floats(1.25));
    let names = Names {
        field: &|_| "price".to_owned(),
        consent: &|_| String::new(),
        aggregate: &|_| String::new(),
    };
    let lowered = lower(&rule, &names, Instant(0)).alias("result");
    let frame = DataFrame::new_infer_height(vec![prices]).expect("a frame");
    let frame = frame.lazy().select([lowered]).collect().expect("it can be computed");
    let found: Vec<_> = frame.column("result").expect("it").bool().expect("bools").iter().collect();
    assert_eq!(found, [T, N]);
}

#[test]
fn lists() {
    let is_in =
        |value: Typed, list: Vec<Typed>| node(ExprKind::In(Box::new(value), list), Type::Bool);
    truth(&is_in(int(), vec![ints(3), ints(4)]), [T, F, F, N]);
    truth(&not(is_in(int(), vec![ints(3), ints(4)])), [F, T, T, N]);
    truth(&is_in(text(), vec![texts("a.c"), texts("")]), [F, T, T, N]);
    truth(&is_in(float(), vec![floats(2.5)]), [T, N, F, N]);
    let day = |days| node(ExprKind::Literal(Constant::Date(days)), Type::Date);
    truth(&is_in(date(), vec![day(0), day(1)]), [T, F, F, N]);
    let at = |micros| node(ExprKind::Literal(Constant::Datetime(micros)), Type::Datetime);
    truth(&is_in(datetime(), vec![at(-1)]), [T, F, F, N]);
    // With a part that is not constant: as equals joined by OR.
    truth(&is_in(int(), vec![ints(3), int()]), [T, T, T, N]);
    let sometimes_null = compute(int(), ArithmeticOp::Add, ints(1));
    truth(&is_in(int(), vec![ints(3), sometimes_null]), [T, N, F, N]);
    truth(&is_in(ints(3), vec![ints(3)]), [T, T, T, T]);
}

#[test]
fn patterns() {
    let like = |pattern: &str, ignore_case| {
        let pattern = pattern.to_owned();
        node(ExprKind::Like { text: Box::new(text()), pattern, ignore_case }, Type::Bool)
    };
    truth(&like("%", false), [T, T, T, N]);
    truth(&like("", false), [F, F, T, N]);
    truth(&like("_._", false), [F, T, F, N]);
    truth(&like("a.c", false), [F, T, F, N]);
    truth(&like("a_", false), [F, F, F, N]);
    truth(&like("%größe%", false), [F, F, F, N]);
    truth(&like("%GRÖSSE%", true), [F, F, F, N]);
    truth(&like("%GRÖßE_", true), [T, F, F, N]);
    truth(&like(" Gr_ße", false), [F, F, F, N]);
    truth(&like("A%C", true), [F, T, F, N]);
    assert_eq!(regex(r"100\%_\\%", false), r"(?s)^100%.\\.*$");
    assert_eq!(regex("a.b*c[d]-~<>", true), r"(?si)^a\.b\*c\[d\]\-\~<>$");
    truth(&like("<>.+*?()|[]{}^$#&-~\\\\", false), [F, F, F, N]);
}

#[test]
fn texts_and_their_functions() {
    let one = |function, ty| call(function, vec![text()], ty);
    words(&one(Function::Lower, Type::Text), [Some(" größe\n"), Some("a.c"), Some(""), None]);
    words(&one(Function::Upper, Type::Text), [Some(" GRÖSSE\n"), Some("A.C"), Some(""), None]);
    words(&one(Function::Trim, Type::Text), [Some("Größe"), Some("a.c"), Some(""), None]);
    whole(&one(Function::Length, Type::Int), [Some(7), Some(3), Some(0), None]);
}

#[test]
fn first_that_is_not_null() {
    let coalesce = |arguments: Vec<Typed>| {
        let ty = arguments[0].ty;
        call(Function::Coalesce, arguments, ty)
    };
    whole(&coalesce(vec![int(), ints(7)]), [Some(3), Some(i64::MAX), Some(i64::MIN), Some(7)]);
    whole(&coalesce(vec![ints(7), int()]), [Some(7); 4]);
    whole(
        &coalesce(vec![null(Type::Int), int(), ints(7)]),
        [Some(3), Some(i64::MAX), Some(i64::MIN), Some(7)],
    );
    real(
        &coalesce(vec![float(), floats(7.0)]),
        [Some(2.5), Some(7.0), Some(f64::INFINITY), Some(7.0)],
    );
    words(
        &coalesce(vec![text(), texts("x")]),
        [Some(" Größe\n"), Some("a.c"), Some(""), Some("x")],
    );
    let bools = node(ExprKind::Literal(Constant::Bool(false)), Type::Bool);
    truth(&coalesce(vec![boolean(), bools]), [T, F, T, F]);
}

#[test]
fn ints_out_of_range_are_null() {
    use ArithmeticOp::{Add, Multiply, Subtract};
    whole(&compute(int(), Add, ints(1)), [Some(4), None, Some(i64::MIN + 1), None]);
    whole(&compute(ints(-1), Add, int()), [Some(2), Some(i64::MAX - 1), None, None]);
    whole(&compute(ints(0), Subtract, int()), [Some(-3), Some(-i64::MAX), None, None]);
    whole(&compute(int(), Multiply, ints(2)), [Some(6), None, None, None]);
    whole(&compute(int(), Multiply, int()), [Some(9), None, None, None]);
    whole(&compute(int(), Add, null(Type::Int)), [None; 4]);
    whole(&compute(ints(2), Add, ints(3)), [Some(5); 4]);
    whole(&call(Function::Abs, vec![int()], Type::Int), [Some(3), Some(i64::MAX), None, None]);
    // An operand stands in the result once, so deep nesting stays small.
    let deep = (0..60).fold(int(), |sum, _| compute(ints(1), Add, sum));
    whole(&deep, [Some(63), None, Some(i64::MIN + 60), None]);
}

#[test]
fn floats_by_zero_and_without_value_are_null() {
    use ArithmeticOp::{Divide, Multiply, Subtract};
    real(&compute(float(), Divide, floats(2.0)), [Some(1.25), None, Some(f64::INFINITY), None]);
    real(&compute(float(), Divide, floats(0.0)), [None; 4]);
    real(&compute(floats(0.0), Divide, floats(0.0)), [None; 4]);
    real(&compute(floats(1.0), Divide, float()), [Some(0.4), None, Some(0.0), None]);
    real(&compute(float(), Subtract, float()), [Some(0.0), None, None, None]);
    real(&compute(float(), Multiply, floats(0.0)), [Some(0.0), None, None, None]);
    real(
        &call(Function::Abs, vec![compute(floats(0.0), Subtract, float())], Type::Float),
        [Some(2.5), None, Some(f64::INFINITY), None],
    );
}

#[test]
fn rounding_is_half_away_from_zero() {
    let round = |value: Typed, digits: Option<i64>| {
        let mut arguments = vec![value];
        arguments.extend(digits.map(ints));
        call(Function::Round, arguments, Type::Float)
    };
    real(&round(float(), None), [Some(3.0), None, Some(f64::INFINITY), None]);
    real(&round(floats(-2.5), None), [Some(-3.0); 4]);
    real(&round(floats(2.125), Some(2)), [Some(2.13); 4]);
    real(&round(floats(1e300), Some(15)), [Some(1e300); 4]);
}

#[test]
fn calendar() {
    let one = |function, value: Typed| call(function, vec![value], Type::Int);
    whole(&one(Function::Year, date()), [Some(1970), Some(1970), Some(5_881_580), None]);
    whole(&one(Function::Month, date()), [Some(1), Some(3), Some(7), None]);
    whole(&one(Function::Day, date()), [Some(1), Some(1), Some(11), None]);
    whole(&one(Function::Year, datetime()), [Some(1969), Some(1970), Some(294_247), None]);
    whole(&one(Function::Month, datetime()), [Some(12), Some(1), Some(1), None]);
    whole(&one(Function::Day, datetime()), [Some(31), Some(2), Some(10), None]);
    whole(
        &one(Function::DaysSince, date()),
        [Some(100), Some(41), Some(100 - i64::from(i32::MAX)), None],
    );
    whole(
        &one(Function::DaysSince, datetime()),
        [Some(101), Some(99), Some(100 - 106_751_991), None],
    );
}

#[test]
fn dates_are_shifted_in_the_calendar() {
    // 1970-01-01, 1970-03-01, and the last day that a date holds.
    whole(&shifted(date(), 1, 1, 0, 0), [Some(31), Some(90), None, None]);
    whole(&shifted(date(), -1, 0, 1, 0), [Some(-1), Some(58), Some(i64::from(i32::MAX) - 1), None]);
    whole(&shifted(date(), -1, 12, 0, 0), [Some(-365), Some(59 - 365), Some(2_147_483_281), None]);
    whole(&shifted(date(), 1, 0, i32::MAX, 0), [Some(i64::from(i32::MAX)), None, None, None]);
    // One microsecond before 1970, 1970-01-02, and the last instant.
    whole(&shifted(datetime(), 1, 0, 0, 1), [Some(0), Some(DAY + 1), None, None]);
    whole(&shifted(datetime(), 1, 2, 0, 0), [Some(59 * DAY - 1), Some(60 * DAY), None, None]);
    whole(
        &shifted(datetime(), -1, 0, 1, 1),
        [Some(-DAY - 2), Some(-1), Some(i64::MAX - DAY - 1), None],
    );
    let literal = node(ExprKind::Literal(Constant::Date(30)), Type::Date);
    whole(&shifted(literal, 1, 1, 0, 0), [Some(58); 4]);
    whole(&cast(date(), Type::Datetime), [Some(0), Some(59 * DAY), None, None]);
}

#[test]
fn months_end_where_the_next_begins() {
    let at = |year, month, day| days_from_civil(year, month, day);
    let moved = |from: i64, months: i32| {
        shift(from, Type::Date, 1, Interval { months, days: 0, micros: 0 })
    };
    assert_eq!(moved(at(2025, 1, 31), 1), Some(at(2025, 2, 28)));
    assert_eq!(moved(at(2024, 1, 31), 1), Some(at(2024, 2, 29)));
    assert_eq!(moved(at(2024, 2, 29), 24), Some(at(2026, 2, 28)));
    assert_eq!(moved(at(2024, 3, 31), -1), Some(at(2024, 2, 29)));
    assert_eq!(moved(at(2024, 12, 31), 2), Some(at(2025, 2, 28)));
    assert_eq!(moved(at(2024, 11, 30), 1), Some(at(2024, 12, 30)));
    assert_eq!(moved(at(1, 1, 1), -12), Some(at(0, 1, 1)));
    let both = Interval { months: 1, days: 1, micros: 0 };
    assert_eq!(shift(at(2025, 1, 31), Type::Date, 1, both), Some(at(2025, 3, 1)));
    assert_eq!(shift(at(2025, 3, 1), Type::Date, -1, both), Some(at(2025, 1, 31)));
}

#[test]
fn civil_dates_go_there_and_back() {
    assert_eq!(civil(0), (1970, 1, 1));
    assert_eq!(civil(20_484), (2026, 1, 31));
    assert_eq!(civil(-719_528), (0, 1, 1));
    for day in (-1_000_000..1_000_000).step_by(13) {
        let (year, month, of_month) = civil(day);
        assert_eq!(days_from_civil(year, month, of_month), day);
        let date = jiff::civil::date(1970, 1, 1).saturating_add(jiff::Span::new().days(day));
        let read = (i64::from(date.year()), i64::from(date.month()), i64::from(date.day()));
        assert_eq!((year, month, of_month), read);
    }
}
