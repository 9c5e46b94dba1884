# ルール自体の説明以外に、読み手の目に触れるすべての文言。

title = EC2インスタンス 再起動リスク監査報告書
title-for = { $client }様 EC2インスタンス 再起動リスク監査報告書
made = 監査実施日時：{ $started }　作成：comeback { $program }
time = { $date } { $time } { $zone }
time-both = { $local }（{ $utc }）
date = { $year }年{ $month }月{ $day }日({ $weekday })
day-monday = 月
day-tuesday = 火
day-wednesday = 水
day-thursday = 木
day-friday = 金
day-saturday = 土
day-sunday = 日
month-1 = 1
month-2 = 2
month-3 = 3
month-4 = 4
month-5 = 5
month-6 = 6
month-7 = 7
month-8 = 8
month-9 = 9
month-10 = 10
month-11 = 11
month-12 = 12
length-years = { $count }年
length-days = { $count }日
length-hours = { $count }時間
length-minutes = { $count }分
money = { $amount }{ $currency ->
    [USD] 米ドル
   *[other] {" "}{ $currency }
}

level-critical = 緊急
level-high = 高
level-medium = 中
level-low = 低
level-info = 情報
level-critical-says = すでに停止状態、または予定された再起動から復帰できません
level-high-says = 次回の再起動で復帰できないおそれがあります
level-medium-says = 条件により復帰できない、または失われるものがあります
level-low-says = 現在または将来、費用が発生します
level-info-says = 参考情報です

act-rescue = 復旧する
act-diagnose = 応答しない原因を調査する
act-migrate = HVMへ移行する
act-save-data = OS内部からデータを退避する
act-postpone = イベントを延期する
act-hold = 自動的な移動を無効にする
act-prepare = Nitroへの準備を行う
act-change-type = インスタンスタイプを変更する
act-know = 対応は不要です（ご確認のみ）

unread-denied = アクセス権限がありません
unread-credentials = 有効な認証情報がありません
unread-throttled = AWSの呼び出し制限を受けました
unread-disabled = アカウントが停止または解約されています
unread-unreachable = 応答がありません
unread-failed = 失敗しました

coverage = 監査範囲
coverage-complete = 対象をすべて読み取りました。アカウント{ $accounts }件、リージョン{ $regions }件、インスタンス{ $instances }台です。
coverage-incomplete = 一部を読み取れませんでした。読み取れなかった範囲のインスタンスは、本報告書に含まれていません。読み取れなかったアカウント・リージョン{ $unread }件、部分的に読み取れなかった項目{ $gaps }件。読み取った範囲は、アカウント{ $accounts }件、リージョン{ $regions }件、インスタンス{ $instances }台です。
coverage-nothing = 監査対象のアカウントがありません。
coverage-unread-title = 読み取れなかったアカウント・リージョン
coverage-read = 読み取り済み
coverage-not-enabled = 有効化されていないリージョン
coverage-unread = 未読取：{ $why }
coverage-gap = { $action }を読み取れませんでした：{ $why }
coverage-because = { $what }。{ $reason }
denied-somebody = 使用した認証情報
denied-role = { $who } には、{ $resource ->
    [missing] ロール
   *[other] ロール { $resource }{" "}
}を引き受ける権限（{ $action }）がありません（{ $code }）。対処：対象アカウントにこのロールがあること、ロールの信頼ポリシーで呼び出し元を許可していること、呼び出し元のポリシーでこのロールへの { $action } を許可していることをご確認ください。
denied-action = { $who } には、{ $resource ->
    [missing] {""}
   *[other] { $resource } に対する{" "}
}{ $action } の権限がありません（{ $code }）。対処：ポリシーで許可してください。監査に必要な権限の一覧は `comeback iam-policy audit` で出力できます。
denied-reason = { $text }AWSが示した理由：{ $reason }
coverage-all-regions = 全リージョン
ledger = 監査台帳（読み取った範囲と読み取れなかった範囲）
account = アカウント
client = お客様
region = リージョン
state = 状態
state-pending = 保留中（pending）
state-running = 実行中（running）
state-stopping = 停止処理中（stopping）
state-stopped = 停止済み（stopped）
state-shutting-down = シャットダウン中（shutting-down）
state-terminated = 終了済み（terminated）
instances = インスタンス数
detail = 詳細
calls = AWSの呼び出し回数は{ $count }回です。すべて読み取りのみです。
calls-all-clients = （監査全体の回数です。）
number = 回数

summary = 概要
summary-line = { $total ->
    [0] 検出項目のあるインスタンスはありません。
   *[other] 検出項目のあるインスタンスは{ $total }台です。そのうち{ $risk }台は対応が必要です。
}
summary-dead = 「running」のまま応答のないインスタンスが{ $dead }台あります。
summary-next = 直近のイベント：{ $when }、{ $instance }
nothing-found = 読み取った範囲に検出項目はありません。
ranking = 対応の優先順位
rank = 順位
instance = インスタンス
risk = リスク
deadline = メンテナンスイベント
what-to-do = 対応方針
by = 期限
by-when = 期限 { $when }
no-date = 期限なし
no-name = （名称なし）
in-days = 残り{ $length }
overdue = 開始時刻を過ぎています
deadline-bar = 監査時点から{ $horizon }までの期間のうち、イベントまで{ $length }です。
no-event = 予定されているイベントはありません。
details = インスタンス別の詳細
finding = 検出項目
command = コマンド
evidence = 根拠
evidence-line = { $source }：{ $field } = { $value }
link = 参考資料
type = インスタンスタイプ
zone = アベイラビリティーゾーン
virtualization = 仮想化方式
virtualization-paravirtual = 準仮想化（PV）
virtualization-hvm = ハードウェア仮想化（HVM）
kernel = カーネルイメージ（AKI）
root = ルートデバイス
root-ebs = EBS
root-instance-store = インスタンスストア
launched = 最終起動
hourly = 1時間あたりの料金
becomes = 移行後のタイプ
becomes-costs-more = { $type }（月額{ $amount }増）
becomes-costs-less = { $type }（月額{ $amount }減）
movable-until = { $when }まで延期できます
not-movable = 延期できません
meanings = 検出項目の説明
remedy = 対応方法
plans = 移行計画
plan-from-to = 移行元と移行先
plan-difference = 月額の差
plan-downtime = 停止時間
plan-downtime-range = 約{ $usual }（最長{ $longest }）
plan-cost = 移行費用
plan-notices = 事前にご確認いただきたい事項
unknown = 不明
runs = 移行の状況
run = 実行番号
run-started = 開始
run-downtime = 停止時間
run-going = 実行中
run-waiting = 確認待ち
run-failed = 失敗
run-done = 完了（切り戻し可能）
run-rolled-back = 切り戻し済み
run-finalized = 完了（確定済み）
silenced = 抑止中の検出項目
silenced-none = 抑止中の検出項目はありません。
reason = 理由
until = 期日
silenced-until = { $when }まで

table-more = 各検出項目の全文は --format md または html で確認できます。
ics-name = EC2メンテナンスイベント
ics-title = { $instance }：{ $what }
ics-coverage = 監査範囲に不足があります：未読取{ $unread }件
ics-alarm = { $instance }：イベントが近づいています

kind = 種別
kind-finding = 検出
kind-silenced = 抑止
kind-unread = 未読取
rule = ルール

notify-title = comeback：{ $risk ->
    [0] 対応が必要なインスタンスはありません
   *[other] 対応が必要なインスタンスは{ $risk }台です
}
notify-title-incomplete = comeback：読み取れなかった範囲があります（{ $risk ->
    [0] 読み取れた範囲では、対応が必要なインスタンスはありません
   *[other] 読み取れた範囲で、対応が必要なインスタンスは{ $risk }台です
}）
notify-changes = comeback：前回の監査からの変更点
notify-nothing = 前回の監査からの変更はありません。
notify-more = ほか{ $count }件
change-new = 新規
change-gone = 解消
change-moved = イベントの日程変更
change-unread = 読み取れなくなった範囲
change-read-again = 再び読み取れた範囲
change-moved-line = [{ $level }] { $instance }：{ $event }：{ $old } から { $new } へ

docs-title = 検出項目
docs-intro = `comeback audit`が検出する項目の一覧です。報告書と同じ文言から生成しています。
docs-meaning = 説明
docs-remedy = 対応方法
