// The page's style sheet: see style.h.
// Holds: the CSS. Colours are named by what they mark; each mark also differs in dash or shape, for those who do not
// see the colours.
// Leaves out: markup.
#include "report/style.h"

namespace prunenet {

std::string_view page_style() {
  return R"css(:root{color-scheme:light dark;
--page:#f5f6f8;--card:#fff;--ink:#18202b;--muted:#566173;--rule:#dde2e9;--grid:#e9edf2;--edge:#8c97a6;
--before:#1b2431;--after:#2f7fe6;--bar:#5b93dc;--gap:#b8430a;--least:#158560;--track:#e8edf4;--link:#1b5fb8;
--note:#fdf6e7;--note-edge:#c98a0c}
@media screen and (prefers-color-scheme:dark){:root{
--page:#11151b;--card:#191f27;--ink:#e7ebf1;--muted:#a3aebd;--rule:#2d3642;--grid:#262e39;--edge:#66717f;
--before:#f1f4f8;--after:#4d95f5;--bar:#4a86d8;--gap:#ff9e5e;--least:#35b682;--track:#252d38;--link:#8abaff;
--note:#262113;--note-edge:#d9a237}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;
-webkit-text-size-adjust:100%;text-size-adjust:100%}
main{max-width:1240px;margin:0 auto;padding:36px 28px 28px}
h1{font-size:28px;line-height:1.2;font-weight:650;letter-spacing:-.01em;margin:0 0 8px;overflow-wrap:anywhere}
h2{font-size:18px;line-height:1.3;font-weight:650;margin:0 0 10px}
section{margin:36px 0 0}
.eyebrow{margin:0 0 6px;font-size:12px;font-weight:600;letter-spacing:.08em;text-transform:uppercase;
color:var(--muted)}
.facts{display:flex;flex-wrap:wrap;gap:2px 22px;margin:0 0 22px;color:var(--muted);overflow-wrap:anywhere}
.facts b{color:var(--ink);font-weight:600}
.lead{margin:-4px 0 12px;color:var(--muted);max-width:110ch}
.quiet{margin:4px 0 0;font-size:12px;color:var(--muted)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(206px,1fr));gap:12px;margin:0}
.tile,.card{background:var(--card);border:1px solid var(--rule);border-radius:8px}
.tile{padding:12px 16px 14px}
.tile dt{font-size:13px;color:var(--muted)}
.tile dd{margin:0;font-size:13px;color:var(--muted);overflow-wrap:anywhere}
.tile .big{font-size:23px;line-height:1.35;font-weight:650;color:var(--ink);letter-spacing:-.01em;
font-variant-numeric:tabular-nums}
.from{font-size:15px;font-weight:500;color:var(--muted);letter-spacing:0;white-space:nowrap}
.to{white-space:nowrap}
.arrow{font-weight:400;font-size:17px;color:var(--muted)}
.meter{display:block;height:4px;margin-top:8px;border-radius:2px;background:var(--track);overflow:hidden}
.meter span{display:block;height:100%;background:var(--bar)}
.notes{margin-top:20px;padding:12px 18px;background:var(--note);border:1px solid var(--rule);
border-left:4px solid var(--note-edge);border-radius:6px}
.notes h2{font-size:14px;margin:0 0 2px}
.notes ul{margin:0;padding-left:18px;overflow-wrap:anywhere}
.pair{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:14px}
.pair>:last-child:nth-child(odd){grid-column:1/-1}
.pair figure{display:flex;flex-direction:column;justify-content:space-between}
.pair .chart{flex:none}
.stack{display:grid;grid-template-columns:minmax(0,1fr);gap:14px}
.panels{display:grid;grid-template-columns:repeat(auto-fill,minmax(272px,1fr));gap:14px}
.panels figure:only-child{max-width:560px;grid-column:1/-1}
figure{margin:0;padding:12px 16px 8px;min-width:0;scroll-margin-top:12px}
figure:target{outline:2px solid var(--link)}
figcaption{display:flex;flex-wrap:wrap;justify-content:space-between;gap:0 10px;margin:0 0 6px;font-size:13px}
.pair figcaption,.panels figcaption{flex-direction:column}
figcaption span{color:var(--muted);font-variant-numeric:tabular-nums}
figcaption b{font-weight:650}
.empty{padding:60px 0;text-align:center}
.chart{display:block;width:calc(100% - 48px);margin-left:40px;overflow:visible}
.chart text{font-size:11px;fill:var(--muted);font-variant-numeric:tabular-nums}
.chart .value{fill:var(--ink)}
.rows{width:calc(100% - 168px);margin-left:106px}
.rows text.value{font-size:12px}
.chart .strong{font-weight:650}
.halo{paint-order:stroke;stroke:var(--card);stroke-width:4px;stroke-linejoin:round}
.grid{stroke:var(--grid)}
.axis{stroke:var(--edge)}
.bar{fill:var(--bar)}
.bar.top{fill:var(--gap)}
.bar.least{fill:var(--least)}
.bar.pale{fill-opacity:.4}
.whisker{stroke:var(--ink);stroke-width:1.5}
.track{fill:var(--track)}
.mean{stroke:var(--ink);stroke-width:1.25;stroke-dasharray:5 4}
.box{overflow:visible}
path{fill:none;vector-effect:non-scaling-stroke;stroke-linejoin:round}
path.after{stroke:var(--after);stroke-width:2}
path.before{stroke:var(--before);stroke-width:1.6;stroke-dasharray:5 3.5}
.gap{stroke:var(--gap);stroke-width:1.6}
.point{fill:var(--after)}
.ring{fill:var(--card);stroke:var(--before);stroke-width:1.5}
.stem{stroke:var(--edge);stroke-width:1.5}
.hit{fill:transparent}
.hit:hover{fill:var(--ink);fill-opacity:.06}
.best{fill:var(--gap);stroke:var(--card);stroke-width:2}
.legend{display:flex;flex-wrap:wrap;gap:4px 22px;margin:0 0 12px;font-size:13px;overflow-wrap:anywhere}
.key{display:inline-block;width:26px;height:0;margin-right:8px;vertical-align:middle;
border-top:2px solid var(--after)}
.key.before{border-top:2px dashed var(--before)}
.key.gap{height:10px;border:solid var(--gap);border-width:0 2px;
background:linear-gradient(var(--gap),var(--gap)) center/100% 2px no-repeat}
.key.dot{width:9px;height:9px;margin:0 2px 2px 0;border:0;border-radius:50%;background:var(--gap)}
.key.ring,.key.point{width:9px;height:9px;margin:0 8px 2px 0;border:1.5px solid var(--before);border-radius:50%}
.key.point{border-color:var(--after);background:var(--after)}
.scroll{overflow-x:auto;padding:4px 0}
.scroll:focus-visible{outline:2px solid var(--link)}
.tall{max-height:520px;overflow:auto;padding-top:0}
.tall thead th{position:sticky;top:0;background:var(--card)}
.tall thead th:first-child{z-index:1}
table{border-collapse:collapse;width:100%;font-size:13.5px;font-variant-numeric:tabular-nums}
caption{text-align:left;padding:8px 16px 6px;font-weight:650}
th,td{padding:5px 16px;text-align:right;white-space:nowrap;border-top:1px solid var(--grid)}
thead tr:first-child th{border-top:0}
thead th{font-weight:600;color:var(--muted);vertical-align:bottom}
thead th[colspan]{border-bottom:1px solid var(--rule);text-align:center}
thead tr+tr th{border-top:0}
tbody tr:first-child>*{border-top:1px solid var(--edge)}
.pairs tbody tr:first-child>*{border-top-color:var(--grid)}
tbody th{font-weight:500}
.pairs td,.pairs th,tbody th,.layers .site{text-align:left}
.layers thead th:first-child[rowspan],.layers thead tr:first-child th:first-child{text-align:left}
.layers th:first-child{position:sticky;left:0;background:var(--card)}
.layers thead tr+tr th:first-child{position:static}
.methods th,.methods td{padding-left:10px;padding-right:10px}
.methods thead tr:first-child>:last-child,.methods tbody tr>:last-child{padding-right:16px}
.methods thead tr:first-child>:first-child,.methods tbody th{min-width:124px;padding-left:16px;white-space:normal;
overflow-wrap:anywhere}
.methods .words{min-width:212px;text-align:left;white-space:normal;overflow-wrap:anywhere}
.methods tr.least>*{font-weight:650}
.methods tr.least>.words{font-weight:400}
.badge{padding:0 6px;border:1px solid var(--least);border-radius:8px;font-size:11px;font-weight:600;
color:var(--least)}
.pairs th{width:34%;color:var(--muted)}
.pairs td,.pairs th{white-space:normal;overflow-wrap:anywhere}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
a{color:var(--link);text-decoration:none}
a:hover{text-decoration:underline}
footer{margin-top:36px;padding-top:16px;border-top:1px solid var(--rule);color:var(--muted);font-size:13px}
footer p{margin:0 0 8px;max-width:100ch}
footer b{color:var(--ink)}
@media (max-width:760px){
main{padding:22px 14px 18px}
h1{font-size:23px}
.pair{grid-template-columns:minmax(0,1fr)}
.tiles{grid-template-columns:repeat(auto-fit,minmax(158px,1fr));gap:10px}
.tile{padding:10px 12px 12px}
.tile .big{font-size:20px}
.chart .wide{display:none}
.from{font-size:13px}
.arrow{font-size:15px}
th,td{padding:5px 11px}
.methods .words{min-width:168px}
.methods thead tr:first-child>:first-child,.methods tbody th{padding-left:11px}
caption{padding:8px 11px 6px}
}
@media (max-width:520px){
.tiles{grid-template-columns:repeat(2,minmax(0,1fr))}
.tile:last-child:nth-child(odd){grid-column:1/-1}
.tile .big{font-size:18px}
}
@media print{
:root{--page:#fff}
body{font-size:11pt}
main{max-width:none;padding:0}
section{margin-top:20pt}
.panels{grid-template-columns:repeat(2,minmax(0,1fr))}
.tile,.card,.notes,tr{break-inside:avoid}
.scroll{overflow:visible;max-height:none;break-inside:auto}
.tall thead th{position:static}
h2{break-after:avoid}
thead{display:table-header-group}
.bar,.track,.meter,.meter span,.key,.notes{-webkit-print-color-adjust:exact;print-color-adjust:exact}
a{color:inherit}
}
)css";
}

}  // namespace prunenet
