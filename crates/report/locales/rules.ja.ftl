# 検出ルール。値: 見出し。finding: 当該インスタンスで確認した内容。meaning と remedy: 一般的な説明。

rule-already-dead = 「running」のまま応答がありません
    .finding = { $check ->
        [system] システムステータスチェック（ホスト側）に失敗しています。
        [instance] インスタンスステータスチェックに失敗しています。
       *[both] システム・インスタンス両方のステータスチェックに失敗しています。
    }{ $since ->
        [missing] 発生時刻は不明です。
       *[other] 発生時刻は{ $since }です。
    }{ $down ->
        [missing] {""}
       *[other] 現在まで{ $down }継続しています。
    }{ $cost ->
        [missing] {""}
       *[other] この間、稼働していないにもかかわらず{ $cost }の料金が発生しています。
    }
    .meaning = EC2上は「running」と表示され課金も継続していますが、サーバーとしては応答していません。再起動から復帰できなかったインスタンスはこの状態になります。待つことが適切なのは、ファイルシステムチェックの実行中に限られます。
    .remedy = まずコンソール出力とディスクから原因を確認し、そのうえで復旧します。スナップショットを取得するまでは、停止・再起動・終了（terminate）を行わないでください。

rule-pv-grub-1_03 = 準仮想化（PV）インスタンス：PV-GRUB 1.03以前で起動
    .finding = カーネルイメージ（AKI）{ $kernel }は{ $name ->
        [missing] 旧版のPV-GRUB
       *[other] { $name }
    }{ $version ->
        [missing] {""}
       *[other] （バージョン{ $version }）
    }です。{ $known ->
        [table] AWSの一覧では確認できないため、内蔵の対応表{ $confidence ->
            [missing] {""}
           *[other] （{ $confidence }）
        }により判定しました。
       *[image] AWSの一覧で確認しました。
    }
    .meaning = 起動のたびにAWS側にあるこの古いブートローダーが読み込まれ、ディスク上のカーネルを探します。このブートローダーのインスタンスでは、再起動や別ホストへの移動の後に復帰せず、「running」のまま応答しなくなる事例が発生しています。長年問題なく稼働していても、次回の再起動で復帰できないおそれがあります。
    .remedy = 次回の再起動より前に、ハードウェア仮想化（HVM）への移行を実施してください。それまでは再起動・停止を行わず、メンテナンスイベントは可能な限り延期してください。

rule-pv-grub-1_04 = 準仮想化（PV）インスタンス：PV-GRUB 1.04で起動
    .finding = カーネルイメージ（AKI）{ $kernel }は{ $name ->
        [missing] PV-GRUB 1.04
       *[other] { $name }
    }{ $version ->
        [missing] {""}
       *[other] （バージョン{ $version }）
    }です。{ $known ->
        [table] AWSの一覧では確認できないため、内蔵の対応表{ $confidence ->
            [missing] {""}
           *[other] （{ $confidence }）
        }により判定しました。
       *[image] AWSの一覧で確認しました。
    }
    .meaning = 障害が知られている版より新しいものですが、AWS側のイメージと、PVに対応したホストに依存している点は変わりません。また、OSの更新で導入される新しい圧縮形式のカーネルを読み込めない場合があります。
    .remedy = ご都合のよい時期に、ハードウェア仮想化（HVM）への移行を計画してください。

rule-pv-grub-1_05 = 準仮想化（PV）インスタンス：PV-GRUB 1.05以降で起動
    .finding = カーネルイメージ（AKI）{ $kernel }は{ $name ->
        [missing] 新しい版のPV-GRUB
       *[other] { $name }
    }{ $version ->
        [missing] {""}
       *[other] （バージョン{ $version }）
    }です。{ $known ->
        [table] AWSの一覧では確認できないため、内蔵の対応表{ $confidence ->
            [missing] {""}
           *[other] （{ $confidence }）
        }により判定しました。
       *[image] AWSの一覧で確認しました。
    }
    .meaning = PVインスタンス用として最も新しいブートローダーです。ただし、旧来の仮想化方式であることに変わりはなく、利用できるインスタンスタイプは少なく、新しいタイプも提供されません。
    .remedy = ご都合のよい時期に、ハードウェア仮想化（HVM）への移行を計画してください。

rule-other-kernel-image = 準仮想化（PV）インスタンス：ディスク外のカーネルイメージで起動
    .finding = { $known ->
        [unknown] カーネルイメージ（AKI）{ $kernel }の内容を確認できませんでした。すでに提供が終了している可能性があります。
       *[image] カーネルイメージ（AKI）{ $kernel }{ $name ->
            [missing] {""}
           *[other] （{ $name }）
        }はPV-GRUBではありません。
    }
    .meaning = OSに導入されたカーネルではなく、ディスク外のイメージのカーネルで起動しています。そのイメージの提供が終了した場合や、次のホストで動作しない場合は起動できず、OS側の対処では解決できません。
    .remedy = ハードウェア仮想化（HVM）へ移行し、ディスク上の適切なカーネルから起動するようにしてください。

rule-ramdisk-image = 準仮想化（PV）インスタンス：RAMディスクイメージを使用
    .finding = ディスク外のRAMディスクイメージ（ARI）{ $ramdisk }で起動しています。
    .meaning = カーネルの起動に必要なファイルが、ディスク外のイメージから読み込まれています。特定のカーネル専用であり、OSの更新では更新されません。
    .remedy = ハードウェア仮想化（HVM）へ移行し、ディスク上のRAMディスクから起動するようにしてください。

rule-no-kernel-id = 準仮想化（PV）インスタンス：カーネルイメージ（AKI）が不明
    .finding = PVインスタンスですが、EC2にカーネルイメージ（AKI）が登録されていません。
    .meaning = PVインスタンスの起動にはカーネルイメージが必要です。次回の起動でどのイメージが使われるかは判断できません。
    .remedy = 再起動すると復帰できないものとして扱い、ハードウェア仮想化（HVM）への移行が完了するまでは再起動・停止を行わないでください。

rule-event-reboot = 再起動が予定されています
    .finding = AWSによる再起動（{ $code }）が予定されています。{ $not-before ->
        [missing] 実施時刻は不明です。
       *[other] 開始は{ $not-before }以降{ $not-after ->
            [missing] です。
           *[other] 、終了は{ $not-after }までです。
        }
    }影響：{ $effect }。{ $movable-until ->
        [missing] 日程の変更はできません。
       *[other] { $movable-until }まで延期できます。
    }
    .meaning = メンテナンスの時間帯に、AWSがインスタンスを再起動します。ホストは変わりませんが、ブートローダーが（場合によっては数年ぶりに）実行されます。
    .remedy = 期限までに、起動できることを確認するか、HVMへ移行してください。間に合わない場合はイベントを延期してください。

rule-event-system-reboot = 別ホストへの移動を伴う再起動が予定されています
    .finding = AWSによる再起動（{ $code }）が予定されています。{ $not-before ->
        [missing] 実施時刻は不明です。
       *[other] 開始は{ $not-before }以降{ $not-after ->
            [missing] です。
           *[other] 、終了は{ $not-after }までです。
        }
    }影響：{ $effect }。{ $movable-until ->
        [missing] 日程の変更はできません。
       *[other] { $movable-until }まで延期できます。
    }
    .meaning = ホストが再起動され、インスタンスは別のホストで起動します。PVインスタンスにとって最も危険な種類の再起動です。期限前にお客様ご自身で再起動された場合も、同じ結果になります。
    .remedy = 期限までにHVMへ移行してください。「念のため」の再起動は行わないでください。間に合わない場合はイベントを延期してください。

rule-event-maintenance = ホストのメンテナンスが予定されています
    .finding = AWSによるホストのメンテナンス（{ $code }）が予定されています。{ $not-before ->
        [missing] 実施時刻は不明です。
       *[other] 開始は{ $not-before }以降{ $not-after ->
            [missing] です。
           *[other] 、終了は{ $not-after }までです。
        }
    }影響：{ $effect }。{ $movable-until ->
        [missing] 日程の変更はできません。
       *[other] { $movable-until }まで延期できます。
    }
    .meaning = ホストのネットワークまたは電源に対する作業です。通常は短時間の通信断で済みますが、再起動される場合もあります。
    .remedy = 当該時間帯の再起動に備え、事前に起動できることを確認してください。

rule-event-retirement = ホストのリタイアが予定されています
    .finding = AWSによるホストのリタイア（{ $code }）が予定されています。{ $not-before ->
        [missing] 実施時刻は不明です。
       *[other] 開始は{ $not-before }以降{ $not-after ->
            [missing] です。
           *[other] 、終了は{ $not-after }までです。
        }
    }影響：{ $effect }。{ $movable-until ->
        [missing] 日程の変更はできません。
       *[other] { $movable-until }まで延期できます。
    }
    .meaning = ホストが故障しているか、撤去されます。ルートボリュームがEBSのインスタンスは停止され、別のホストでの起動が必要になります。ルートがインスタンスストアの場合は終了（terminate）され、データは失われます。
    .remedy = 期限までに移行してください。ルートがインスタンスストアの場合は、先にデータを退避してください。

rule-event-stop = 停止が予定されています
    .finding = AWSによる停止（{ $code }）が予定されています。{ $not-before ->
        [missing] 実施時刻は不明です。
       *[other] 開始は{ $not-before }以降{ $not-after ->
            [missing] です。
           *[other] 、終了は{ $not-after }までです。
        }
    }影響：{ $effect }。{ $movable-until ->
        [missing] 日程の変更はできません。
       *[other] { $movable-until }まで延期できます。
    }
    .meaning = AWSがインスタンスを停止します。再び開始すると別のホストで起動し、Elastic IPアドレス以外のパブリックIPアドレスは失われます。
    .remedy = 期限までに、ご都合のよい時間帯でHVMへ移行してください。

rule-auto-recovery = 自動復旧により別ホストへ移動する可能性があります
    .finding = 自動復旧（Auto Recovery）が有効です。
    .meaning = ホストに障害が発生すると、EC2が自動的にインスタンスを別のホストで起動します。起動できることが確認されていないインスタンスでは、意図しない再起動になります。
    .remedy = HVMへの移行が完了するまで、自動復旧を無効にしてください。

rule-reboot-migration = 再起動により別ホストへ移動する可能性があります
    .finding = { $due ->
        [yes] 別ホストへの移動を伴う再起動が予定されています。現時点で再起動すると、その時点で移動します。
       *[no] 別ホストへの移動を伴う再起動が予定された場合、通常の再起動でも移動します。
    }
    .meaning = 別ホストへの移動を伴う再起動が予定されている間は、お客様による再起動でも、EC2がインスタンスを別ホストへ移動します。
    .remedy = HVMへの移行が完了するまで、再起動時の移動（Reboot Migration）を無効にしてください。

rule-instance-store-root = ルートがインスタンスストアにあります
    .finding = ルートデバイスはインスタンスストアです。
    .meaning = ルートは、このホスト上にある間だけ存在します。停止はできず、ホストのリタイアや故障で失われます。外部からスナップショットを取得することもできません。
    .remedy = OSの内部からEBSボリュームまたはアーカイブへデータを退避し、EBS上に再構築してください。

rule-long-uptime = 長期間起動し直していません
    .finding = 最後の起動は{ $launched ->
        [missing] かなり以前
       *[other] { $launched }
    }{ $uptime ->
        [missing] です。
       *[other] （経過{ $uptime }）です。
    }
    .meaning = 起動後に更新されたカーネルや、ファイルシステム設定の変更は、一度も起動に使われていない可能性があります。OS内部からの再起動は、外部からは確認できません。
    .remedy = 再起動が必要になる前に、ディスクのコピーで起動の予行を行ってください。

rule-previous-generation = 前世代インスタンスタイプを使用しています
    .finding = インスタンスタイプは{ $type }です。{ $target ->
        [missing] {""}
       *[other] 同等以上の規模で、そのまま移行できる最も安価なタイプは{ $target }です。{ $saving-sign ->
            [positive] 月額の削減見込みは{ $saving }です（定価）。
            [negative] 月額{ $saving }の増額となります（定価）。
           *[other] 料金の差は不明です。
        }
    }
    .meaning = AWSは前世代インスタンスの提供を続けていますが、新しいホストは追加していません。現行世代より料金が高く、性能は低くなっています。
    .remedy = 今後のメンテナンスの機会に、タイプの変更を実施してください。

rule-not-nitro-ready = 現行（Nitro）タイプへの準備ができていません
    .finding = Xen上で稼働しており、{ $reason }。
    .meaning = 現行のインスタンスタイプはNitroを基盤とし、64ビットのOSと、ENA（ネットワーク）・NVMe（ディスク）のドライバーを必要とします。外部から確認できる範囲では、条件を満たしていません。
    .remedy = タイプを変更する前に、ドライバーを導入し、ENAを有効にしてください。32ビットのOSは、Xenのタイプを継続するか、再構築が必要です。

rule-address-lost-on-stop = 停止するとパブリックIPアドレスが失われます
    .finding = { $addresses ->
        [missing] Elastic IPアドレスではないパブリックIPアドレスが割り当てられています。
       *[other] Elastic IPアドレスではないパブリックIPアドレス：{ $addresses }
    }
    .meaning = EC2が自動で割り当てたアドレスは、停止すると返却されます。その場合、DNS・ファイアウォール・ライセンスなどの設定変更が必要になります。
    .remedy = アドレスの利用先を確認し、事前にElastic IPアドレスへ切り替えてください。

rule-unknown = この版では説明できない検出項目です
    .finding = ルールの名称は{ $rule }です。詳細はリンク先をご覧ください。
    .meaning = 監査が、この報告書を作成したものより新しい版で行われています。
    .remedy = 監査を行った版で報告書を作成し直してください。

word-reason-32-bit = OSが32ビットです
word-reason-no-ena = ENAが有効になっていません
word-effect-reboot-in-place = 同じホストで再起動されます
word-effect-reboot-new-host = 再起動され、別のホストへ移動します
word-effect-stop = 停止され、別のホストでの起動が必要になります
word-effect-loss-of-root = 終了（terminate）され、ルートのデータが失われます
word-effect-interruption = 短時間の通信断・電源断、または再起動が発生します
word-effect-unknown = 影響は不明です
word-confidence-documented = AWSの一覧の写しによる
word-confidence-official = AWSの公式文書による
word-confidence-observed = 観測に基づく情報
word-confidence-secondary = 単一の二次情報による
